"""The parameters of the paper: every line has its source, every key its function. The run itself is `make
paper`."""
import re
from pathlib import Path
import pytest, yaml

root = Path(__file__).parents[1]
paper = root/'params'/'paper.yaml'

def test_every_setting_says_where_it_comes_from():
    blocks = 'tagger','anchors','mine','train','enhance','score'
    block = ''
    for line in paper.read_text().splitlines():
        if top := re.match(r'(\w+):', line):
            block = top[1]
        if (
            block not in blocks or not re.match(r'\s+\w+:', line)
            or re.match(r'\s+(mixtures|use|checkpoint_every):', line)):
            continue
        assert re.search(r'#.*(Sec|Eq|Table|Algorithm|not stated)', line), f"no source: {line}"

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
    assert (p['anchors']['ties'], p['anchors']['min_level_db'], p['mine']['same_clip']) == ('first', None, True)
    assert (train['mixtures']['batch'], train['mixtures']['both_directions']) == ('mined', False)
    assert train['use'] == dict(condition='one_hot', level='as_is', strength=1.0)
    assert train['precision'] == p['enhance']['precision'] == 'float32'

def test_every_switch_is_named():
    "What a function of the method can be told is told here, but for who reads, writes and watches."
    from weakse.core.keywords import keywords
    from weakse.mining.detection import detect_anchors
    from weakse.mining.mine import mine
    from weakse.mining.mixtures import MixtureSettings
    from weakse.models.registry import SavedSystem
    from weakse.training.weak import train_unet
    p = yaml.safe_load(paper.read_text())
    run = {
        'seed', 'device', 'progress', 'watch', 'overwrite', 'truth', 'audit', 'split', 'checkpoints', 'focus', 'purest',
        'n_cond', 'rank', 'world', 'backend', 'n_workers', 'shard_clips'}
    of_snr = 'snr_range', 'focus_snr_range'   # of `level: snr` alone
    for f, told in (
        (detect_anchors, {'batch_size', *p['anchors']}), (mine, p['mine']), (train_unet, p['train']),
        (MixtureSettings, {'condition', *of_snr, *p['train']['mixtures']})):
        assert not set(keywords(f)) - set(told) - run, f.__name__
    assert {'strength', 'condition', 'level'} <= set(p['train']['use']) <= set(keywords(SavedSystem))

def test_a_dry_run_says_what_the_paper_costs(tmp_path):
    "The counts alone: 146 M parameters, four copies of them; times belong to a machine."
    from weakse.training.cost import training_cost
    cost = training_cost(
        527, {**yaml.safe_load(paper.read_text())['train'], 'width': 1 / 32}, sample_rate=32000)
    assert cost['steps'] == 1_000_000 and cost['hours'] > 0 and cost['memory_gb'] > cost['weights_gb'] > 0
