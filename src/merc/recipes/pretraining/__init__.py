"""Parts of the pretraining of speech encoders: sounds, the masked encoder, its targets, what is predicted."""
