def write(directory): pass
