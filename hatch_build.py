"""Build hook: the wheel carries the dashboard's main script, pages, settings and sample data inside the package."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):  # type: ignore[type-arg]
    """Copies them for a wheel only: an editable install reads them from the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if version == "standard":
            build_data["force_include"].update(
                {
                    "app.py": "riskcore/_app/app.py",
                    "pages": "riskcore/_app/pages",
                    ".streamlit/config.toml": "riskcore/_app/.streamlit/config.toml",
                    "sample_data": "riskcore/_app/sample_data",
                }
            )
