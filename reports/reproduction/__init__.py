"""Whether published figures are reproduced: the rule, the rows it is applied to, and what is unknown about them."""
