"""The way through the pages: each ends with a line that leads to the previous page, the map and the next one.

The order is that of the links in `nbs/index.ipynb`. `python docs/pages.py` writes the lines (`make export` does), and gives
a page that is not in the map its place there; `tests/test_pages.py` holds them to the map."""
import json, os, re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT/'nbs'/'index.ipynb'

def cells(
    page:Path, # notebook
)->list:       # of dict, as nbformat has them
    "The cells of a page."
    return json.loads(page.read_text(encoding='utf-8'))['cells']

def prose(
    page:Path, # notebook
)->str:        # its markdown
    "Everything that is written on a page."
    return '\n\n'.join(''.join(c['source']) for c in cells(page) if c['cell_type']=='markdown')

def title(
    page:Path, # notebook
)->str:        # what its first heading says
    "The name of a page. Raises `ValueError` for a page without a heading."
    found = re.search(r'^# (.+)$', prose(page), re.M)
    if not found: raise ValueError(f"{page} has no title: begin it with a line `# Title`")
    return found[1].strip()

def order()->list: # of `Path`
    "The pages in reading order, as the map names them."
    found = re.findall(r'^- \[[^\]]+\]\(([^)#]+\.ipynb)\)', prose(INDEX), re.M)
    return [INDEX.parent/to for to in found]

def summary(
    page:Path, # notebook
)->str:        # what it is about
    "The line below a page's title. Raises `ValueError` for a page without one."
    found = re.search(r'^> (.+)$', prose(page), re.M)
    if not found: raise ValueError(f"{page} has no summary: write a line `> ...` below its title")
    return found[1].strip()

def with_page(
    text:str,    # of a cell of the map
    folder:Path, # of the map
    page:Path,   # notebook that the map lacks
)->str:          # text of the cell; the same where it is not the page's place
    "A page behind those of its folder that come before it."
    entries = re.finditer(r'^- \[[^\]]+\]\(([^)#]+\.ipynb)\).*$', text, re.M)
    before = [m.end() for m in entries if (folder/m[1]).parent==page.parent and Path(m[1]).name < page.name]
    if not before: return text
    entry = f"\n- [{title(page)}]({page.relative_to(folder).as_posix()}): {summary(page)}"
    return text[:before[-1]] + entry + text[before[-1]:]

def complete():
    "Give every page that the map lacks its place there. Raises `ValueError` where there is none."
    there = {p for p in INDEX.parent.rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts} - {INDEX}
    for page in sorted(there - set(order())):
        book = json.loads(INDEX.read_text(encoding='utf-8'))
        texts = [''.join(c['source']) for c in book['cells']]
        new = [with_page(t, INDEX.parent, page) for t in texts]
        if new==texts: raise ValueError(f"{page} has no place in the map: write its line into {INDEX.name}")
        for c,t in zip(book['cells'], new): c['source'] = t.splitlines(keepends=True)
        INDEX.write_text(json.dumps(book, indent=1, ensure_ascii=False)+'\n', encoding='utf-8')

def line(
    pages:list, # in reading order
    i:int,      # which one
)->str:         # markdown
    "The way from a page to its neighbours and to the map."
    def link(mark, page): return f"[{mark}]({os.path.relpath(page, pages[i].parent)})"
    before = [link(f"← {title(pages[i-1])}", pages[i-1])] if i else []
    after = [link(f"{title(pages[i+1])} →", pages[i+1])] if i+1 < len(pages) else []
    return '---\n\n' + ' · '.join([*before, link('the map', INDEX), *after])

def with_line(
    book:dict, # a notebook
    text:str,  # of its last cell
)->dict:       # the notebook, which ends with it
    "Put the way at the end of a page, in place of an older one."
    kept = [c for c in book['cells'] if not ''.join(c['source']).startswith('---\n\n[') or c['cell_type']!='markdown']
    cell = dict(cell_type='markdown', id='0fa7e9d1', metadata={}, source=text.splitlines(keepends=True))
    return {**book, 'cells':[*kept, cell]}

def main():
    "Write the way into every page of the map."
    complete()
    pages = order()
    for i,page in enumerate(pages):
        book = json.loads(page.read_text(encoding='utf-8'))
        new = with_line(book, line(pages, i))
        if new!=book: page.write_text(json.dumps(new, indent=1, ensure_ascii=False)+'\n', encoding='utf-8')

if __name__=='__main__':
    main()
