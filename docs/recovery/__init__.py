"""Studies by simulation: does each estimator find parameters that are known?"""
