"""PostgreSQL: connections, tables, queries, pages, and the record of each change."""
