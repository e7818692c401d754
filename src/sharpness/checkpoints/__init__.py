"""Published models: their table, download, and conversion from each publisher's file format."""
