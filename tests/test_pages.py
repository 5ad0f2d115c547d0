"The map names every page, and every page leads to its neighbours and back to the map."
import json, re, sys
from pathlib import Path
import pytest

root = Path(__file__).parents[1]
sys.path.insert(0, str(root/'docs'))
import pages    # noqa: E402, docs/pages.py

order = pages.order()

def test_the_map_names_every_page_once():
    there = {p for p in (root/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts} - {pages.INDEX}
    assert sorted(order)==sorted(there)

@pytest.mark.parametrize('i', range(len(order)), ids=lambda i: f'{order[i].parent.name}/{order[i].stem}')
def test_a_page_leads_on_and_back(i):
    assert ''.join(pages.cells(order[i])[-1]['source'])==pages.line(order, i), "run `make export`"

def test_a_page_says_what_it_is_for():
    for page in order: assert re.search(r'^> .{20,}', pages.prose(page), re.M), f"{page} has no summary: a line `> ...` under its title"

def test_pages_that_only_carry_infrastructure_say_so():
    marked = {p for p in order if 'a reader of the method may skip this page' in pages.prose(p)}
    assert {p.parent.name for p in marked} >= {'core','cli','project'}
    assert not {p.parent.name for p in marked} & {'mining','models','learn','tutorials'}

def test_readme_and_map_share_the_table():
    def table(text): return re.search(r'<!-- table1 -->\n(.*?)\n<!-- /table1 -->', text, re.S)[1].strip()
    assert table((root/'README.md').read_text(encoding='utf-8'))==table(pages.prose(pages.INDEX))

def test_a_page_between_others(tmp_path):
    for name in 'abc':
        cell = dict(cell_type='markdown', id='1', metadata={}, source=[f'# Page {name}\n'])
        (tmp_path/f'{name}.ipynb').write_text(json.dumps(dict(cells=[cell])))
    three = [tmp_path/f'{name}.ipynb' for name in 'abc']
    assert [len(re.findall(r'\]\(', pages.line(three, i))) for i in range(3)]==[2, 3, 2]
    book = pages.with_line(dict(cells=[cell]), pages.line(three, 1))
    assert pages.with_line(book, pages.line(three, 1))==book and len(book['cells'])==2
