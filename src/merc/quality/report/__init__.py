"""The report of a check: page, sections, summary, quality weights, bias of removals, duplicates and suspects."""
