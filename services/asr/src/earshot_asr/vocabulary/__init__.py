"""From sentence templates to what a decoder loads: graph, language model, pronunciation dictionary. No I/O but `cmudict`."""
