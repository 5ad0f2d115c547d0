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

def test_the_readme_says_of_the_selective_system_what_was_measured():
    rows = json.loads((root/'results/base/selective.json').read_text())['rows']
    def cell(**wanted):
        r = next(r for r in rows if all(r[k]==v for k,v in dict(wanted, metric='sdr', snr_db='mean', object='extracted').items()))
        return f"{r['value']:.1f} ± {(r['high'] - r['low'])/2:.1f}"
    asked = ('joint','2'), ('by_example','2'), ('asked_other','0'), ('no_selection','0')
    readme = (root/'README.md').read_text(encoding='utf-8')
    for kind in ('transient','stationary'):
        for seen,said in ((True, 'seen'), (False, 'unseen')):
            cells = [cell(kind=kind, seen=seen, system=s, condition=c) for s,c in asked]
            assert f"| {kind}, {said} | {' | '.join(cells)} |" in readme

def test_a_page_between_others(tmp_path):
    for name in 'abc':
        cell = dict(cell_type='markdown', id='1', metadata={}, source=[f'# Page {name}\n'])
        (tmp_path/f'{name}.ipynb').write_text(json.dumps(dict(cells=[cell])))
    three = [tmp_path/f'{name}.ipynb' for name in 'abc']
    assert [len(re.findall(r'\]\(', pages.line(three, i))) for i in range(3)]==[2, 3, 2]
    book = pages.with_line(dict(cells=[cell]), pages.line(three, 1))
    assert pages.with_line(book, pages.line(three, 1))==book and len(book['cells'])==2

def test_a_page_that_the_map_lacks_gets_its_place(tmp_path, monkeypatch):
    def written(name, *texts):
        made = [dict(cell_type='markdown', id=str(i), metadata={}, source=t.splitlines(True)) for i,t in enumerate(texts)]
        (tmp_path/name).parent.mkdir(exist_ok=True)
        (tmp_path/name).write_text(json.dumps(dict(cells=made)))
        return tmp_path/name
    index = written('index.ipynb', 'see [b](a/00_b.ipynb)', '- [B](a/00_b.ipynb): b.\n- [D](a/02_d.ipynb): d.\n- [X](x/00_x.ipynb): x.')
    for name in ('a/00_b', 'a/01_c', 'a/02_d', 'x/00_x'): written(f'{name}.ipynb', f'# {name[-1].upper()}\n\n> About {name}.')
    monkeypatch.setattr(pages, 'INDEX', index)
    pages.main()
    assert [p.stem for p in pages.order()]==['00_b', '01_c', '02_d', '00_x'] and '- [C](a/01_c.ipynb): About a/01_c.\n' in pages.prose(index)
    once = index.read_text()
    pages.main()
    assert index.read_text()==once
    written('y/00_y.ipynb', '# Y\n\n> About it.')
    with pytest.raises(ValueError, match='00_y.ipynb has no place in the map'): pages.main()
