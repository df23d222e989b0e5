"""The canary ladder: rungs, criteria, evidence, verdict and bundle.

It measures traders from outside: their processes, their journals, their logs, and the exchange's own book. Nothing
here takes a trader's word for what can be measured otherwise, and what was not measured has failed.
"""
