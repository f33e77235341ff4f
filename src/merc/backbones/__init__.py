"""Pretrained networks that can be frozen, adapted or trained: one file each."""
