"""Records of results, and the pages made of them."""
