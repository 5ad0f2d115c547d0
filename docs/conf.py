"The pages' looks and tools, for Sphinx; `docs/build.py` calls it."
from importlib.metadata import distribution
from pathlib import Path
from sphinx.util.fileutil import copy_asset
from nbdev.config import get_config

cfg = get_config()
project,author,copyright = cfg.title, cfg.author, cfg.copyright
version = release = cfg.version
root_doc = 'index'
extensions = ['myst_nb', 'sphinx.ext.mathjax']

# outputs are those that were committed
nb_execution_mode = 'off'
nb_render_markdown_format = 'gfm'
nb_code_prompt_show = nb_code_prompt_hide = 'Source'
nb_ipywidgets_js = {}
myst_enable_extensions = ['amsmath', 'dollarmath', 'smartquotes']
myst_heading_anchors = 6

html_theme = 'sphinx_book_theme'
html_title = cfg.title
html_static_path = ['_static']
html_css_files = ['site.css']
html_favicon = '_static/icon.svg'
html_context = dict(default_mode='auto')
html_copy_source = False
html_show_copyright = False
html_last_updated_fmt = None
html_theme_options = dict(
    repository_url=cfg.git_url, use_repository_button=True, use_download_button=False, home_page_in_toc=True,
    show_navbar_depth=1, show_toc_level=2)

# formulas are set by files of the site itself
mathjax_path = 'mathjax/tex-chtml.js'

def copy_mathjax(app, error):
    "What formulas need, without the variants that nobody asks for."
    if error: return
    package = distribution('sphinx-mathjax-offline')
    source = Path(package.locate_file('sphinx-mathjax-offline/static/mathjax'))
    target = Path(app.outdir)/'_static'/'mathjax'
    copy_asset(source/'tex-chtml.js', target)
    copy_asset(source/'output'/'chtml'/'fonts', target/'output'/'chtml'/'fonts')

def setup(app):
    "Hooks of the build."
    app.connect('build-finished', copy_mathjax)
