"""Search: the best operating point over many parameters, by screening, ladders, ask/tell and racing."""
