"""Build the documentation as a site: `python docs/build.py [FOLDER]` makes `_docs/` (`make docs`) of `nbs/`.

No notebook is executed: outputs are those that were committed. Each notebook goes through nbdev's processors,
which apply its directives; in front of each exported cell stands what is to be said of its public names
(`docs/names.py`), and the cell is folded. Links are turned to the pages, diagrams are drawn. Of that Sphinx
(`docs/conf.py`) makes pages that ask nothing of any other site."""
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import mermaidx
from execnb.nbio import mk_cell, write_nb
from nbdev import processors
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.process import NBProcessor
from sphinx.cmd.build import build_main
from names import EXPORTS, defined_names, describe, find_names, label, module_of

ROOT = Path(__file__).resolve().parents[1]
NBS = ROOT/'nbs'
# the sidebar: where a reader begins, the layers from the ground up, the project; any other folder comes last
FOLDERS = ['tutorials', 'learn', 'core', 'corpora', 'detectors', 'mining', 'models', 'training', 'inference',
           'evaluation', 'app', 'cli', 'project']
# narrow enough for a column of text; the widest of usual fonts, so that boxes fit whichever a reader has
FONT = 'DejaVu Sans, Verdana, sans-serif'
DIAGRAM = dict(
    fontFamily=FONT, themeVariables=dict(fontFamily=FONT),
    flowchart=dict(nodeSpacing=18, rankSpacing=18, padding=6, wrappingWidth=110))
# nbdev's processors that need nothing executed
PROCESSORS = [
    processors.populate_language, processors.strip_ansi, processors.hide_line, processors.filter_stream_,
    processors.rm_header_dash, processors.clean_magics, processors.hide_, processors.strip_hidden_metadata]


# ---- which pages there are

def page_name(
    path:Path, # a notebook, relative to `nbs/`
)->str:        # `core/audio` for `core/03_audio.ipynb`
    "The address of a page without suffix. Numbers are left out, so that addresses outlive a renumbering."
    return path.with_name(re.sub(r'^\d+[a-z]*_', '', path.stem)).as_posix()

def reading_order(
    path:Path, # a notebook, relative to `nbs/`
)->tuple:      # what to sort by
    "The pages of `nbs/` itself first, then folder by folder, by number."
    folder = path.parts[0]
    at = FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)
    return len(path.parts)>1, at, path.as_posix()

def find_pages()->dict: # page: notebook, relative to `nbs/`, in reading order
    "Every page of the site. Raises `ValueError` where two notebooks would be one page."
    pages = {}
    for path in sorted((p.relative_to(NBS) for p in nbglob(NBS, as_path=True)), key=reading_order):
        other = pages.setdefault(page_name(path), path)
        if other != path: raise ValueError(f"{other} and {path} would be one page; rename one of them")
    return pages


# ---- the text of a page

def repository_address(
    place:Path, # a file of the checkout
)->str:         # where the web shows it
    "A file that is no page."
    cfg = get_config()
    return f"{cfg.git_url}/blob/{cfg.branch}/{place.relative_to(ROOT).as_posix()}"

def relink(
    text:str,        # markdown
    path:Path,       # its notebook, relative to `nbs/`
    target:Path,     # the page that Sphinx will read
    suffix='.ipynb', # of pages; Sphinx makes `.html` of it where it knows the text
)->str:              # markdown
    "Links between notebooks lead to pages, other links into the repository; pictures are taken from there."
    def one(match):
        place = (NBS/path.parent/match[3]).resolve()
        if not place.is_relative_to(ROOT) or not place.exists(): return match[0]
        if match[1]:
            address = os.path.relpath(place, target.parent)
        elif place.suffix == '.ipynb' and place.is_relative_to(NBS):
            address = os.path.relpath(page_name(place.relative_to(NBS)), path.parent.as_posix())+suffix
        else:
            address = repository_address(place)
        return f"{match[1]}[{match[2]}]({address}{match[4]})"
    return re.sub(r'(!?)\[([^\]]*)\]\(([^)#:\s]+)([^)\s]*)\)', one, text)

def link_names(
    text:str,   # a line of markdown
    module:str, # of the page, whose own names come first
    names:dict, # from `find_names`
)->str:         # markdown
    "A name in backticks leads to its documentation, where only one thing is called so; not a parameter's."
    def one(match):
        found = names.get(match[2], [])
        own = f'{module}.{match[2]}'
        if own not in found and len(found) != 1: return match[0]
        return f"[{match[1]}](#{label(own if own in found else found[0])})"
    return re.sub(r'(?<!^\| )(?<![\[`])(`([A-Za-z][\w.]*)(?:\(\))?`)(?![\]`])', one, text)

def outside_fences(
    change,   # function of a line
    text:str, # markdown
)->str:       # markdown
    "Change the lines of prose: no code, no heading, no target."
    lines = []
    fenced = False
    for line in text.split('\n'):
        mark = line.lstrip().startswith('```')
        fenced ^= mark
        lines.append(line if fenced or mark or line.startswith(('#', '    ', '(')) else change(line))
    return '\n'.join(lines)

def draw(
    match:re.Match, # a fenced diagram; its first group is what mermaid reads
)->str:             # markdown
    "A diagram, drawn."
    svg = mermaidx.render(f'%%{{init: {json.dumps(DIAGRAM)}}}%%\n{match[1]}').svg()
    svg = svg.replace('my-svg', f'diagram-{match.start()}')
    return f'```{{raw}} html\n<figure class="diagram">{svg}</figure>\n```'

# ---- the cells of a page

def heading_level(
    text:str, # markdown
    level:int,# before it
)->int:       # after it
    "The level of the last heading."
    marks = re.findall(r'(?m)^(#+) ', re.sub(r'(?ms)^```.*?^```', '', text))
    return len(marks[-1]) if marks else level

def markdown_cell(
    text:str, # markdown
):            # a cell
    "A cell of text."
    cell = mk_cell(text, 'markdown')
    cell.directives_ = {}
    return cell

def add_docs(
    nb, # a notebook whose directives were read; changed
):
    "What `show_doc` says of each exported name, in front of its cell."
    module,level = module_of(nb), 1
    cells = []
    for cell in nb.cells:
        if cell.cell_type == 'markdown': level = heading_level(cell.source, level)
        for name in defined_names(cell):
            cells.append(markdown_cell(describe(f'{module}.{name}', module, level+1)))
        cells.append(cell)
    nb.cells = cells

def tag(
    cell, # changed
):
    "Fold exported code, leave out what only nbdev reads, and do as `echo` says."
    if cell.cell_type != 'code': return
    if 'default_exp' in cell.directives_: del cell['source']
    elif EXPORTS & cell.directives_.keys(): cell.metadata['tags'] = ['hide-input']
    elif cell.directives_.get('echo:') == ['false']: cell.metadata['tags'] = ['remove-input']
    if 'source' in cell: cell.source = re.sub(r'(?m)^#\|.*\n?', '', cell.source)

def scope(
    html:str, # an output
)->str:       # HTML
    "Keep the styles of an output that is a page of its own (`:root`) to what holds them."
    def one(match):
        rules = re.sub(r':root|(?<![-.#])\bbody(?=[ {,])', ':scope', match[2])
        return match[0] if ':root' not in match[2] else f"{match[1]}@scope {{{rules}}}{match[3]}"
    return re.sub(r'(?s)(<style[^>]*>)(.*?)(</style>)', one, html)

def lighten(
    cell, # changed
):
    "Leave out widgets that have no kernel here, and keep styles where they belong."
    kept = []
    for out in cell.get('outputs', []):
        data = out.get('data', {})
        widget = data.pop('application/vnd.jupyter.widget-view+json', None)
        if widget is None or 'text/html' in data: kept.append(out)
        if 'text/html' in data: data['text/html'] = scope(''.join(data['text/html']))
    if 'outputs' in cell: cell['outputs'] = kept

def relink_outputs(
    cell,        # changed
    path:Path,   # its notebook, relative to `nbs/`
    target:Path, # the page that Sphinx will read
):
    "Links of text that a cell has made."
    for out in cell.get('outputs', []):
        data = out.get('data', {})
        if 'text/markdown' in data:
            data['text/markdown'] = relink(''.join(data['text/markdown']), path, target, '.html')

def write_page(
    proc:NBProcessor, # a notebook whose directives were read
    path:Path,        # the notebook, relative to `nbs/`
    target:Path,      # the page to write
    names:dict,       # from `find_names`
):
    "What Sphinx reads of one notebook."
    nb,module = proc.nb, module_of(proc.nb)
    add_docs(nb)
    source = f"[nbs/{path.as_posix()}]({repository_address(NBS/path)})"
    nb.cells.append(markdown_cell(f"---\n\nThis page is the notebook {source}."))
    for i,cell in enumerate(nb.cells):
        cell.idx_ = i
        relink_outputs(cell, path, target)
        if cell.cell_type != 'markdown': continue
        text = outside_fences(lambda line: link_names(line, module, names), relink(cell.source, path, target))
        cell.source = re.sub(r'```mermaid\n(.*?)```', draw, text, flags=re.S)
    proc.process()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_nb(nb, target)


# ---- the site

def summary(
    nb,          # a notebook
    path:Path,   # relative to `nbs/`
    target:Path, # a page of its folder
)->tuple:        # its title, and the line below
    "What a page is, in its own words."
    text = relink(nb.cells[0].source, path, target)
    title,said = re.search(r'(?m)^# (.+)$', text), re.search(r'(?m)^> (.+)$', text)
    return title[1] if title else '', said[1] if said else ''

def toctree(
    pages:list, # addresses
)->str:         # markdown
    "The order of pages, as Sphinx reads it."
    return '\n'.join(["```{toctree}", ":hidden:", *pages, "```"])

def write_folder(
    target:Path, # the page to write
    pages:dict,  # page: its title and summary
):
    "A page that lists the pages of a folder."
    names = [Path(page).name for page in pages]
    lines = [f"- [{title}]({name}.ipynb): {said}" for name,(title,said) in zip(names, pages.values())]
    parts = [f"# {target.parent.name}", '\n'.join(lines), toctree(names)]
    target.write_text('\n\n'.join(parts)+'\n', encoding='utf-8')

def write_pages(
    target:Path, # a folder
):
    "All that Sphinx reads."
    pages = find_pages()
    procs = {page: NBProcessor(NBS/path, [*PROCESSORS, tag, lighten]) for page,path in pages.items()}
    names = find_names([proc.nb for proc in procs.values()])
    said = {page: summary(proc.nb, pages[page], target/page) for page,proc in procs.items()}
    folders = list(dict.fromkeys(page.split('/')[0] for page in pages if '/' in page))
    loose = [page for page in pages if '/' not in page and page != 'index']
    procs['index'].nb.cells.append(markdown_cell(toctree(loose+[f'{f}/index' for f in folders])))
    for page,path in pages.items():
        write_page(procs[page], path, target/f'{page}.ipynb', names)
    for folder in folders:
        write_folder(target/folder/'index.md', {p: s for p,s in said.items() if p.startswith(f'{folder}/')})

def main(
    site=ROOT/'_docs', # folder to make anew, once all went well
)->int:                # exit status
    "Build everything anew, of this checkout's package."
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        pages,made = Path(scratch)/'pages', Path(scratch)/'site'
        write_pages(pages)
        status = build_main([
            '-q', '-j', 'auto', '-c', str(ROOT/'docs'), '-d', f'{scratch}/doctrees', str(pages), str(made)])
        if status: return status
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(made, site)
    print(f"{len(find_pages())} pages: {Path(site)/'index.html'}")
    return 0

if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
