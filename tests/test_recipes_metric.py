"""The recipe for a new metric in CONTRIBUTING.md, followed to the letter in a copy of the package: a notebook
and a line."""
import json, re, shutil
from pathlib import Path
import commands, numpy as np, pytest, soundfile as sf

root = Path(__file__).parents[1]

def recipe():
    "Kind and text of each block of the recipe; the last one, a `text`, is the line."
    text = (root/'CONTRIBUTING.md').read_text(encoding='utf-8')
    if '## A new ' not in text: pytest.skip("CONTRIBUTING.md has no recipes yet")
    section = re.split(r'^##+ A new metric$', text, flags=re.M)[1]
    blocks = re.findall(r'^```(\w+)\n(.*?)\n```$', section, re.M | re.S)
    return blocks[:[kind for kind,_ in blocks].index('text') + 1]

@pytest.fixture(scope='module')
def followed(tmp_path_factory):
    "A copy of the package in which the recipe was followed, and the files that were written by hand."
    copy = tmp_path_factory.mktemp('recipe')
    for name in ('weakse', 'nbs', 'docs', 'results'):
        shutil.copytree(root/name, copy/name, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints', 'listen'))
    for name in ('settings.ini', 'params.yaml', 'README.md', 'pyproject.toml'):
        shutil.copy(root/name, copy/name)
    before = {p: p.read_bytes() for p in copy.rglob('*') if p.is_file()}
    *blocks,(_,line) = recipe()
    cells = [
        dict(id=f'{i:08x}', metadata={}, source=text.splitlines(True)) | (
            dict(cell_type='markdown') if kind=='markdown'
            else dict(cell_type='code', execution_count=None, outputs=[]))
        for i,(kind,text) in enumerate(blocks)]
    book = dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)
    (copy/'nbs/evaluation/05_snr.ipynb').write_text(json.dumps(book))
    listed = copy/'nbs/evaluation/05_metrics.ipynb'
    source = json.loads(listed.read_text())
    cell, = [c for c in source['cells'] if 'metric_list = import_names(' in ''.join(c['source'])]
    last = max(i for i,l in enumerate(cell['source']) if 'segmental.SSNR' in l)
    cell['source'].insert(last+1, f'    {line}\n')
    listed.write_text(json.dumps(source))
    by_hand = [p.relative_to(copy).as_posix() for p in copy.rglob('*') if p.is_file() and before.get(p)!=p.read_bytes()]
    for command in (['docs/pages.py'], ['-c', 'from nbdev.doclinks import nbdev_export; nbdev_export()']):
        run(copy, *command)
    return copy, by_hand

def run(copy, *command, at=None, fails=False):
    "What a Python process with the copy's package says; `at` is the folder where it runs."
    env = dict(PYTHONPATH=str(copy), MPLBACKEND='agg', COLUMNS='120')
    done = commands.run(*command, cwd=at or copy, env=env, text=True, command=commands.PYTHON)
    said = done.stdout + done.stderr
    assert bool(done.returncode)==fails, said
    return re.sub(r'\s+', ' ', said)

def test_two_files_are_touched(followed):
    copy, by_hand = followed
    assert sorted(by_hand)==['nbs/evaluation/05_metrics.ipynb', 'nbs/evaluation/05_snr.ipynb']
    assert (copy/'weakse/evaluation/snr.py').is_file() and '05_snr.ipynb' in (copy/'nbs/index.ipynb').read_text()

def test_its_page_and_those_of_the_other_scores_hold(followed):
    copy, _ = followed
    for page in ('05_snr', '05_metrics', '11_tables', '12_printing'):
        run(copy, '-c', f'from nbdev.test import nbdev_test; nbdev_test("nbs/evaluation/{page}.ipynb", n_workers=0)')

def test_it_is_scored_printed_checked_and_compared(followed, tmp_path):
    copy, _ = followed
    for name in ('clean', 'noisy'): (tmp_path/name).mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        x = .1*rng.standard_normal(16000)*np.sin(np.arange(16000)/800)
        sf.write(tmp_path/'clean'/f'{i}.wav', x, 16000, subtype='FLOAT')
        sf.write(tmp_path/'noisy'/f'{i}.wav', 1.1*x, 16000, subtype='FLOAT')
    (tmp_path/'known.yaml').write_text('score: {expected: {snr: [20, 0.1]}}\n')
    score = ['-m', 'weakse', 'score', '--clean', tmp_path/'clean', '--enhanced', tmp_path/'noisy', '--params', tmp_path/'known.yaml']
    assert '│ SNR │ 20.000 │' in run(copy, *score, '--check', '--json', tmp_path/'noisy.json')
    found = json.loads((tmp_path/'noisy.json').read_text())
    assert found['mean']['snr']==pytest.approx(20, abs=1e-4) and found['count']['snr']==2
    (tmp_path/'known.yaml').write_text('score: {expected: {snr: [25, 0.1]}}\n')
    assert 'snr 20 found, 25 ± 0.1 expected' in run(copy, *score, '--check', fails=True)
    (tmp_path/'results').mkdir()
    table = ['noisy.json', 'results/table1.json', 'results/table1.md', '--params', copy/'params.yaml']
    run(copy, '-m', 'weakse', 'table1', *table, at=tmp_path)
    other = json.loads((tmp_path/'results/table1.json').read_text())
    for by,said in ((.5, 'every mean as in'), (.7, 'noisy snr 20.000 here, 20.700 there (tolerance 0.6)')):
        other['rows'][0]['snr']['mean'] = 20 + by
        (tmp_path/'other.json').write_text(json.dumps(other))
        assert said in run(copy, '-m', 'weakse', 'report', '--compare', 'other.json', at=tmp_path, fails=by > .6)

def test_a_stage_that_scores_watches_it(followed):
    copy, _ = followed
    assert 'evaluation/snr.py' in run(copy, '-c', 'from weakse.cli.code import stage_code; print(stage_code()["score"])')
