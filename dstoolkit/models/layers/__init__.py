"""Networks described in a list of words, which ``encoder: {name: layers, layers: [...]}`` trains."""
