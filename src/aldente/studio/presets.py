def find_preset(bench, name): raise NotImplementedError
