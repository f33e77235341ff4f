"""What all HTML pages share: escaping, tables, charts."""
