"""The Mamba fusion of words paired with voices and faces of other people, compared with the late fusion, which stays.

    python -m research.paired_fusion --data CORPORA --out DIR

The figures are in mamba.md, the decision in docs/decisions/0007-the-late-fusion-stays.md.
"""
