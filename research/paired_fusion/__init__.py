"""The Mamba fusion of words beside voices and faces of other people, compared with the late fusion, which stays."""
