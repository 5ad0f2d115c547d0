"""A network that no machine can hold is refused in one line before it is made; an allocation that fails in
spite of that is one line too."""
import os, subprocess, sys
from pathlib import Path
import numpy as np, pytest, torch, typer
from typer.testing import CliRunner
from weakse.cli import command
from weakse.core import saved
from weakse.detectors.panns import _same_weights
from weakse.models.unet import ConditionalUNet
from weakse.core.saved import UnusableFileError, check_room

def test_a_network_larger_than_the_machine_is_not_begun(monkeypatch):
    monkeypatch.setattr(saved, 'memory_of_machine', lambda: 10**9)
    with pytest.raises(
        MemoryError,
        match=r"[89]\.\d billion weights, 1\d\d GB .* this machine has 1 GB of memory: lower `width`"):
        check_room(lambda: ConditionalUNet(527, width=8.))
    check_room(lambda: ConditionalUNet(3, width=.05, depth=2))
    def cannot():
        raise ValueError('says why itself')
    check_room(cannot)

def makers():
    from weakse.training.selective import make_selective
    from weakse.training.cost import training_cost
    from types import SimpleNamespace
    store = SimpleNamespace(vocabulary=range(9), sample_rate=16000)
    net = dict(
        n_embed=128, variant='joint', seed=0, width=8.0, depth=6, n_fft=512, hop_length=160, place='before',
        input='magnitude', mask_floor_db=None)
    return dict(unet=lambda: training_cost(9, dict(width=8.)), joint=lambda: make_selective(store, **net))

@pytest.mark.parametrize('kind', ['unet', 'joint'])
def test_every_training_asks_first(monkeypatch, kind):
    monkeypatch.setattr(saved, 'memory_of_machine', lambda: 10**9)
    with pytest.raises(MemoryError, match='lower `width`'):
        makers()[kind]()

@pytest.mark.parametrize(
    'error',
    [
        MemoryError(),
        MemoryError('5 GB of memory: lower `width`'),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
            "tried to allocate 34359738368 bytes. Error code 12"),
        RuntimeError('Storage size calculation overflowed with sizes=[4611686018427387904]'),
        torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.'),
        MemoryError('Unable to allocate 8.00 TiB for an array with shape (1099511627776,)'),
    ],
    ids=lambda e: str(e)[:30],
)
def test_no_memory_is_one_line(error):
    door = typer.Typer(cls=command._VerbGroup)
    @door.callback()
    def common(debug:bool=False):
        pass
    @door.command()
    def fall():
        raise error
    r = CliRunner().invoke(door, ['fall'])
    assert r.exit_code==1 and isinstance(r.exception, SystemExit) and len(r.stderr.strip().splitlines())==1
    assert 'memory' in r.stderr and ('lower' in r.stderr)
    r = CliRunner().invoke(door, ['--debug', 'fall'])
    assert r.exception is error

def test_another_error_of_torch_keeps_its_traceback():
    door = typer.Typer(cls=command._VerbGroup)
    @door.callback()
    def common(debug:bool=False):
        pass
    @door.command()
    def fall():
        raise RuntimeError('mat1 and mat2 shapes cannot be multiplied')
    assert isinstance(CliRunner().invoke(door, ['fall']).exception, RuntimeError)

@pytest.mark.skipif(sys.platform!='linux', reason="the limit is Linux's")
def test_the_command_with_little_memory(tmp_path):
    (tmp_path/'params.yaml').write_text('train: {width: 8.0}\n')
    code = ('import resource; resource.setrlimit(resource.RLIMIT_AS, (6*2**30,)*2); from weakse.cli.main '
            'import main; main()')
    r = subprocess.run(
        [sys.executable, '-c', code, 'train', '--dry-run'], cwd=tmp_path, capture_output=True, text=True,
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).parents[1])))
    assert (
        r.returncode == 1 and 'Traceback' not in r.stderr and len(r.stderr.strip().splitlines()) == 1
        and 'memory' in r.stderr), r.stderr[-2000:]

@pytest.mark.parametrize(
    'config',
    [
        b'', b'[]', b'{"weights": 3}', b'{"weights": {"a": 1}}', b'{"detector": "panns"}',
        b'{"detector": "panns", "weights": {}, "format": 99}', b'\xff',
        b'{"detector": "panns", "weights": {"Cnn14": []}}'],
    ids=repr,
)
def test_a_tampered_config_of_panns(tmp_path, config):
    (tmp_path/'config.json').write_bytes(config)
    source = dict(files={n: dict(checksum='md5:1') for n in saved_files()}, title='x')
    with pytest.raises(ValueError) as caught:
        _same_weights(tmp_path, source)
    assert (
        '\n' not in str(caught.value) and 'config.json' in str(caught.value)
        or str(tmp_path) in str(caught.value))

def saved_files():
    from weakse.detectors.panns import FILES
    return FILES

def old_store(folder):
    "Two anchors as versions before the shards kept them."
    import pandas as pd
    from weakse.core.files import write_json
    from weakse.core.labels import Vocabulary
    folder.mkdir()
    names = Vocabulary(['A', 'B', 'C'])
    names.save(folder/'vocabulary.csv')
    np.save(folder/'audio.npy', np.zeros((2, 1600), np.int16))
    np.save(folder/'tags.npy', np.full((2, 3), 0.3, np.float16))
    write_json(folder/'store.json', dict(sample_rate=16000, seconds=0.1))
    pd.DataFrame({'clip': [0, 1], 'file': ['a', 'b'], 'class': ['A', 'B'], 'start': 0., 'area': .5}).to_csv(
        folder/'anchors.csv', index=False)

@pytest.mark.parametrize(
    'name,array',
    [
        ('audio', np.zeros((3, 1600), np.int16)), ('audio', np.zeros((2, 1601), np.int16)),
        ('audio', np.zeros((2, 1600), np.float32)), ('audio', np.zeros(3200, np.int16)),
        ('tags', np.zeros((2, 4), np.float16)), ('tags', np.zeros((1, 3), np.float16)),
        ('tags', np.full((2, 3), np.nan, np.float16))],
    ids=lambda v: v if isinstance(v, str) else f'{v.shape}{v.dtype}',
)
def test_an_anchor_store_of_another_size(tmp_path, name, array):
    from weakse.mining.anchor_store import read_anchors
    old_store(tmp_path/'s')
    read_anchors(tmp_path/'s')
    np.save(tmp_path/'s'/f'{name}.npy', array)
    with pytest.raises(UnusableFileError) as caught:
        read_anchors(tmp_path/'s')
    assert (
        f'{name}.npy' in str(caught.value) and 'run `weakse detect` again' in str(caught.value)
        and '\n' not in str(caught.value))

@pytest.mark.parametrize('damage', ['short', 'other classes', 'nan', 'gone'])
def test_a_shard_of_another_size(tmp_path, damage):
    from weakse.mining.anchor_shards import record_type
    from weakse.mining.anchor_store import read_anchors, write_anchors
    old_store(tmp_path/'o')
    old = read_anchors(tmp_path/'o')
    new = write_anchors(
        tmp_path/'s', old.table, old.wav([0, 1]), old.tags, old.vocabulary, dict(sample_rate=16000, seconds=0.1))
    assert new.table.equals(old.table) and np.array_equal(new.audio, old.audio)
    shard = tmp_path/'s'/'shards'/'00000.npy'
    records = np.load(shard)
    if damage=='short':
        shard.write_bytes(shard.read_bytes()[:-7])
    elif damage=='gone':
        shard.unlink()
    elif damage=='nan':
        records['tags'] = np.nan
        np.save(shard, records)
    else:
        np.save(shard, np.zeros(2, record_type(4, 1600)))
    with pytest.raises(UnusableFileError) as caught:
        read_anchors(tmp_path/'s').tags[[0]]
    assert 'run `weakse detect` again' in str(caught.value) and '\n' not in str(caught.value)
