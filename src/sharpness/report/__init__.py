"""The page that people open: what each pool says, with every table and figure."""
