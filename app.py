"""The dashboard's main script: ``riskcore dashboard``, or ``streamlit run app.py``."""

from riskcore.dashboard.shell import run_shell

run_shell()
