"""Tables and the report page in each format they are printed in."""
