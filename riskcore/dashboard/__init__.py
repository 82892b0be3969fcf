"""The pages' engine: shell, launch, state, jobs, widgets. The only package that imports streamlit."""
