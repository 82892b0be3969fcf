"""How well a model fits one window: parameters, residuals, PIT, news impact, levels."""
