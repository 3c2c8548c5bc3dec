"""Tables: what is in them, how runs and published models fill them, and how they are laid out."""
