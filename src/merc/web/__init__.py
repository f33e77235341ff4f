"""What all HTML pages share: the page shell and base style, escaping, words, tables, charts, the palette."""
