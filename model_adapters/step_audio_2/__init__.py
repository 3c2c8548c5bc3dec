"""Step-Audio 2, in this process and behind StepFun's server."""
