"""Systems travel: to other processes, to threads, and to a caller whose defaults are not ours."""
import pickle, subprocess, sys, textwrap
import pytest, torch
from doubles import band_system
from weakse.inference.enhance import enhance
from weakse.core.labels import Vocabulary
from weakse.models.segan import SEGAN
from weakse.models.selective import SelectiveNet
from weakse.models.unet import ConditionalUNet
from weakse.models.wave_unet import WaveUNet
from weakse.models.registry import load_system, save_system, system_names

names = Vocabulary(["Speech", "Dog", "Rain"])
small = dict(depth=2, n_fft=128, hop_length=32, width=1/8)
nets = dict(
    unet=lambda: ConditionalUNet(3, **small),
    selective=lambda: SelectiveNet(3, n_embed=3, channels=(4, 4), **small),
    wave_unet=lambda: WaveUNet(width=1 / 8, depth=4), segan=lambda: SEGAN(width=1 / 16))

@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    "Folders of untrained systems at 8 kHz."
    torch.manual_seed(0)
    made = {}
    for name,make in nets.items():
        takes = name in ('unet', 'selective')
        made[name] = save_system(
            make(), tmp_path_factory.mktemp(name), sample_rate=8000, vocabulary=names if takes else None,
            bank=torch.eye(3) if takes else None, config=dict(block=0.4))
    return made

@pytest.mark.parametrize('name', ['noisy', 'highpass', 'wiener', *nets, 'bands'])
def test_a_system_is_pickled(folders, name):
    system = band_system() if name=='bands' else load_system(folders.get(name, name))
    twin = pickle.loads(pickle.dumps(system))
    wav = .1*torch.randn(2, 6000, generator=torch.Generator().manual_seed(0))
    assert enhance(wav, 8000, twin).equal(enhance(wav, 8000, system)) and repr(twin)==repr(system)

def test_the_oracle_is_pickled():
    assert set(system_names()) >= {'oracle'}
    system,wav = load_system('oracle'),torch.randn(1, 6000)
    assert pickle.loads(pickle.dumps(system))(wav, clean=wav/2).equal(system(wav, clean=wav/2))

@pytest.mark.scale
def test_a_system_goes_to_spawned_workers(folders, tmp_path):
    script = tmp_path/'main.py'
    script.write_text(
        textwrap.dedent(f"""
        import torch
        from torch.utils.data import DataLoader, Dataset
        from weakse.inference.enhance import enhance
        from weakse.models.registry import load_system
        class Clips(Dataset):
            def __init__(self, systems): self.systems = systems
            def __len__(self): return len(self.systems)
            def __getitem__(self, i): return enhance(torch.linspace(-.1, .1, 4000), 8000, self.systems[i])
        if __name__ == '__main__':
            systems = [load_system('highpass'), load_system({str(folders['unet'])!r})]
            loader = DataLoader(Clips(systems), batch_size=None, num_workers=1, multiprocessing_context='spawn')
            for a,b in zip(loader, Clips(systems)): assert (a-b).abs().max() < 1e-5
    """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert not done.returncode, done.stderr
