"""Building blocks: the networks whose pretrained weights are used, and the features that feed them."""
