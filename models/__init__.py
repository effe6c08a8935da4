"""What is true: rows, tables, jobs, search, and the services that hold them."""
