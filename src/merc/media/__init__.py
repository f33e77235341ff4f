"""A recording becomes arrays: sound and pictures, each decoded once, forward, with memory flat in its length."""
