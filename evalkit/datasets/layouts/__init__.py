"""Corpora as their archives unpack, and the folders that other toolkits make of them."""
