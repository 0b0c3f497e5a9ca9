"""The documentation site: `nox -s docs` builds it, with every warning an error."""

from streamable_http import __version__

project = "streamable-http"
author = "The streamable-http authors"
copyright = author  # noqa: A001  # Sphinx's own name for it
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]

myst_heading_anchors = 3  # pages link to headings, as they do where the files are read as they are
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.xref_missing_root"]

html_theme = "furo"
html_title = f"streamable-http {__version__}"
html_static_path: list[str] = []

napoleon_numpy_docstring = False
napoleon_include_init_with_doc = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "inherited-members": False, "show-inheritance": True}
