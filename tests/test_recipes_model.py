"""Follow the recipe for a new model to the letter: two files change, and every door takes the model. And:
what a saved folder may name as its model."""
import json, sys
import pytest, torch
from recipes import Copy, recipe
from weakse.core.labels import Vocabulary
from weakse.models.registry import UnusableSystemError, load_system, model_class, save_system
from weakse.models.protocol import Model
from weakse.models.unet import ConditionalUNet

USED = """
    import soundfile, subprocess, sys, torch
    from weakse.core.labels import Vocabulary
    from weakse.evaluation.tables import system_label, measured_row
    from weakse.inference.enhance import enhance
    from weakse.models.bin_gains import BinGains
    from weakse.models.registry import load_system, save_system
    from weakse.models.rows import in_order
    names = Vocabulary(['Speech', 'Dog', 'Rain'])
    torch.manual_seed(0)
    save_system(BinGains(3), 'saved', sample_rate=16000, vocabulary=names, config=dict(name='bin_gains'))
    wav = .1*torch.randn(48000)
    whole = enhance(wav, 16000, 'saved', block=9.)
    blocks = enhance(wav, 16000, 'saved', block=.5, overlap=0.)
    assert whole.shape == wav.shape and not whole.equal(wav)
    assert (whole - blocks).abs().max() < 1e-4, 'blocks do not agree: the receptive field is not what it says'
    soundfile.write('a.wav', wav.numpy(), 16000)
    run = [sys.executable, '-c', 'from weakse.cli.main import main; main()']
    subprocess.run([*run, 'enhance', 'a.wav', '--system', 'saved', '--out', 'b.wav'], check=True)
    assert soundfile.info('b.wav').frames == 48000
    assert in_order(['oracle', 'bin_gains', 'noisy']) == ['noisy', 'bin_gains', 'oracle']
    import json
    print(json.load(open('saved/config.json'))['model'])
    print(system_label(dict(system='bin_gains', needs_clean=False, trained_on='weak labels')))
"""

def test_a_new_model_is_one_notebook_and_one_line(tmp_path):
    module,line = recipe('A new model')
    copy = Copy(tmp_path)
    copy.write('models/bin_gains.py', module)
    copy.insert('models/rows.py', line, before='    oracle=')
    assert copy.changed() == ['models/bin_gains.py', 'models/rows.py']
    assert copy.run(USED).splitlines()[-2:] == ['weakse.models.bin_gains.BinGains', 'Bin gains']

names = Vocabulary(["Speech", "Dog"])

class Own(Model):
    "A model of somebody else's package, here of this module."
    takes = 'condition'
    def __init__(self, n_cond):
        super().__init__()
        self.kwargs = dict(n_cond=n_cond)
        self.gain = torch.nn.Parameter(torch.tensor(.5))
    def forward(self, mix, cond):
        return self.gain*mix

@pytest.fixture
def saved(tmp_path):
    return save_system(Own(2), tmp_path/'own', sample_rate=8000, vocabulary=names)

def renamed(folder, name):
    config = json.loads((folder/'config.json').read_text())
    (folder/'config.json').write_text(json.dumps(config | dict(model=name)))
    return folder

def test_a_model_of_a_module_that_is_loaded_needs_no_list(saved):
    assert json.loads((saved/'config.json').read_text())['model'] == f'{__name__}.Own'
    system = load_system(saved)
    assert type(system.model) is Own and system.takes == 'condition' and system.receptive_field is None

def test_a_model_that_could_not_be_found_again_is_not_saved(tmp_path):
    class Inner(Own):
        pass
    with pytest.raises(UnusableSystemError, match='at the top of a module'):
        save_system(Inner(2), tmp_path/'x', sample_rate=8000, vocabulary=names)
    assert not (tmp_path/'x').exists()

def test_a_model_says_how_it_is_asked_in_known_words(tmp_path, monkeypatch):
    monkeypatch.setattr(Own, 'takes', 'conditions')
    with pytest.raises(UnusableSystemError, match="takes 'conditions'; known: condition, embedding, nothing"):
        save_system(Own(2), tmp_path/'x', sample_rate=8000, vocabulary=names)

@pytest.mark.parametrize(
    'old,now', dict(
        ConditionalUNet='unet', SEGAN='segan', SelectiveNet='selective', WaveUNet='wave_unet').items())
def test_names_of_older_systems_are_understood(old, now):
    assert f'{model_class(old).__module__}.{model_class(old).__qualname__}' == f'weakse.models.{now}.{old}'

NAMES = {
    '': 'not in this version', 'Own': 'not in this version', 'weakse.models.unet.UNet': 'not in this version',
    'weakse.models.nothing.Net': 'not in this version', 'weakse.models.unet.stft': 'is no model',
    'weakse.models.unet.ConditionalBlock': 'is no model',
    'weakse.models..unet.ConditionalUNet': 'not in this version',
    'weakse.models./tmp/evil.Net': 'not in this version',
    'weakse.cli.main.main': 'no model|not in this version',
    'torch.nn.Linear': 'is no model', 'os.system': 'is no model', 'builtins.eval': 'is no model',
    'evil.Net': 'may not choose what is imported', 'antigravity.Net': 'may not choose what is imported',
    'weakse.models.evil\0.Net': 'not in this version'}

@pytest.mark.parametrize('name', NAMES)
def test_a_folder_chooses_among_models_and_runs_nothing_of_its_author(saved, name, monkeypatch):
    (saved/'evil.py').write_text("open('ran','w'); from weakse.models.protocol import Model as Net")
    monkeypatch.chdir(saved)
    monkeypatch.syspath_prepend(saved)
    before = set(sys.modules)
    with pytest.raises(UnusableSystemError, match=NAMES[name]) as e:
        load_system(renamed(saved, name))
    assert not {m for m in set(sys.modules) - before if not m.startswith('weakse.')}
    assert not (saved/'ran').exists() and '\n' not in str(e.value) and 'needs the model class' in str(e.value)

def test_a_module_that_makes_names_up_is_not_asked_for_one(saved):
    asked = []
    module = type(sys)('made_up')
    module.__getattr__ = lambda name: asked.append(name) or Own
    sys.modules['made_up'] = module
    try:
        with pytest.raises(UnusableSystemError, match='may not choose'):
            load_system(renamed(saved, 'made_up.Net'))
        assert asked == []
    finally:
        del sys.modules['made_up']

def test_arguments_of_a_stranger_meet_the_constructor_of_the_model_alone(saved):
    config = json.loads((saved/'config.json').read_text())
    (saved/'config.json').write_text(json.dumps(config | dict(kwargs=dict(n_cond=2, hook='x'))))
    with pytest.raises(UnusableSystemError, match='hook'):
        load_system(saved)

def test_the_registry_loads_no_network_before_one_is_asked_for(tmp_path):
    folder = save_system(
        ConditionalUNet(2, width=1/32, depth=2), tmp_path/'unet', sample_rate=16000, vocabulary=names)
    script = f"""
        import sys
        def networks(): return {{m for m in sys.modules if m.startswith('weakse.models.')}} - known
        known = set()
        import weakse.models.registry as registry
        known = networks()
        assert known == {{f'weakse.models.{{m}}' for m in ('protocol', 'registry', 'rows', 'system')}}, known
        registry.load_system({str(folder)!r})
        assert networks() == {{'weakse.models.unet'}}, networks()
        registry.load_system('wiener')
        assert networks() == {{'weakse.models.unet', 'weakse.models.classical'}}, networks()
    """
    assert Copy(tmp_path/'copy').run(script) == ''
