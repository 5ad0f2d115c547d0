"""Several runs that differ in their seed: what they share is made once."""
import shutil
from pathlib import Path
import pytest
from weakse.cli.runs import dvc_repro, repro, run_folder

GRAPH = """stages:
  corpus:
    cmd: sh -c 'echo rendered >> ../../made; cat data/recipe > corpus'
    deps: [data]
    params: [seed, corpus]
    outs: [corpus]
  train:
    cmd: sh -c 'echo trained >> ../../made; cp corpus system'
    deps: [corpus]
    params: [seed]
    outs: [system]
"""

@pytest.fixture
def checkout(tmp_path, monkeypatch):
    "A checkout with two stages, one of which does not depend on the run's seed."
    for folder in ('sources', 'weakse', 'params'):
        (tmp_path/folder).mkdir()
    (tmp_path/'sources'/'recipe').write_text('a recipe')
    (tmp_path/'dvc.yaml').write_text(GRAPH)
    (tmp_path/'params.yaml').write_text('seed: 0\n')
    (tmp_path/'params'/'full.yaml').write_text('seed: 0\ndata: sources\ncorpus: {seed: 0, n_clips: 3}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path

@pytest.mark.skipif(not shutil.which('sh'), reason="the stages of this test are lines of a shell")
def test_a_second_seed_finds_the_corpus_of_the_first(checkout, capfd):
    runs = [run_folder('params/full.yaml', seed=seed) for seed in (0, 1)]
    for run in runs:
        dvc_repro(run, 'train')
    capfd.readouterr()
    assert runs==[Path('runs')/'full', Path('runs')/'full_1']
    assert (checkout/'made').read_text().split()==['rendered', 'trained', 'trained']
    assert all((run/'system').read_text()=='a recipe' for run in runs)

@pytest.mark.parametrize('seeds', ['0,0', 'one', '0,-1', ''])
def test_odd_seeds_are_refused_before_anything_is_made(checkout, seeds):
    with pytest.raises(ValueError, match='expected whole numbers, each once, such as 0,1,2'):
        repro([], params=Path('params/full.yaml'), seeds=seeds)
    assert not (checkout/'runs').exists()
