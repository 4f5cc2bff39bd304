"""Damaged bytes for both ends of everything that reads bytes.

targets  what is fuzzed: a function each, from bytes to nothing, that raises when a promise is broken
guided   one target under atheris, led by coverage
mutate   the same without: honest inputs, damaged
ends     real processes: mutated requests to a hub, mutated answers to an agent
corpus/  inputs that reach far, and those that once broke something: one folder for each target
"""
