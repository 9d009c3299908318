"""Boosted trees from sums: what banks release adds up to the histograms of the pooled loans.

Everything that a bank computes from a loan is an integer before it is added, so the trees are the
same bits however the loans are divided over banks.
"""
