"""What a language model reads in a training: prompts made from conversations, and the answers it gives to them."""
