"""What a file from outside says: a notebook as any editor leaves it, a table as any spreadsheet does."""
