"""The parameters of the paper: every line has its source, every key its function. The run itself is `make
paper`."""
import re
from pathlib import Path
import pytest, yaml

root = Path(__file__).parents[1]
paper = root/'params'/'paper.yaml'

def test_every_setting_says_where_it_comes_from():
    blocks = 'tagger','anchors','mine','train','score'
    block = ''
    for line in paper.read_text().splitlines():
        if top := re.match(r'(\w+):', line):
            block = top[1]
        if (
            block not in blocks or not re.match(r'\s+\w+:', line)
            or re.match(r'\s+(mixtures|checkpoint_every):', line)):
            continue
        assert re.search(r'#.*(Sec|Eq|Table|Algorithm|not stated|a pool of|levels are)', line), (
            f"no source: {line}")

def test_every_key_fits_its_function():
    from weakse.cli.stages import check_params
    pytest.importorskip('torch')
    check_params(paper)

def test_the_values_are_the_papers():
    p = yaml.safe_load(paper.read_text())
    train = p['train']
    assert (train['width'], train['n_fft'], train['hop_length'], train['steps'], train['batch_size']) == (
        1.0, 1024, 320, 1_000_000, 24)
    assert (p['corpus']['sample_rate'], p['anchors']['seconds'], p['mine']['batch_size']) == (32000, 2.0, 24)
    assert (
        train['loss'] == {'waveform_mae': 1.0} and p['mine']['pairing'] == 'disjoint'
        and p['mine']['threshold_scale'] == 1.0)

def test_a_dry_run_says_what_the_paper_costs(tmp_path):
    "The counts alone: 146 M parameters, four copies of them; times belong to a machine."
    from weakse.training.cost import training_cost
    cost = training_cost(
        527, {**yaml.safe_load(paper.read_text())['train'], 'width': 1 / 32}, sample_rate=32000)
    assert cost['steps'] == 1_000_000 and cost['hours'] > 0 and cost['memory_gb'] > cost['weights_gb'] > 0
