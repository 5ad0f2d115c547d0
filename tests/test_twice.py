"""A setting of the parameter file that a verb or a stage gives too: one of them counts, and nothing ends in a
TypeError."""
import functools
from pathlib import Path
import commands, pytest, torch
from weakse.cli import stage_verbs
from weakse.cli.stage_table import stages
from weakse.training import selective as joint
from weakse.evaluation.ablation_questions import base_settings
from weakse.core.params import Params

def test_what_the_ablation_sets_itself_is_no_setting_of_a_cell():
    mine = dict(progress=False, seed=3, truth='x', n_batches=7)
    trained = dict(progress=False, seed=3, checkpoints='there', checkpoint_every=9)
    out = base_settings(mine, trained, steps=10, width=.1, batch_size=2)
    assert (
        not {'progress', 'seed', 'truth', 'checkpoints', 'checkpoint_every'} & {*out['mine'], *out['train']}
        and out['mine']['n_batches'] == 7)

def given(monkeypatch, block, verb, words):
    "What the stage behind a verb receives where the parameter file has `block`."
    seen = {}
    def stand_in(*a, **kw):
        seen.update(kw)
        raise ValueError('enough')
    monkeypatch.setattr(stage_verbs, 'stage', lambda *_: functools.partial(stand_in, **block))
    monkeypatch.setattr(stage_verbs, 'load_params', lambda *_: Params({}))
    usual = {name: word.usual for name,word in stages[verb].words.items()}
    with pytest.raises(ValueError, match='enough'):
        stage_verbs.run_stage(verb, usual | words | dict(overwrite=False))
    return seen

def test_selective_takes_a_folder_from_the_file_and_an_option_before_it(monkeypatch):
    paths = {w: Path(w) for w in 'scenes sound_types joint out json'.split()}
    block = dict(ablation='a', corpus='c', title='mine')
    seen = given(monkeypatch, block, 'selective', paths | dict(corpus=Path('other')))
    assert (seen['ablation'],seen['corpus'],seen['title'])==('a',Path('other'),'mine')

def test_enhance_takes_what_its_block_says_of_the_bar(tmp_path):
    from weakse.core.audio import save_audio
    save_audio(tmp_path/'a.wav', .1*torch.randn(1, 16000), 16000)
    (tmp_path/'params.yaml').write_text('enhance: {progress: false, strength: 0.5}\n')
    r = commands.run('enhance', 'a.wav', '-o', 'out', '--system', 'highpass', cwd=tmp_path)
    assert r.returncode==0, r.stderr

@pytest.mark.parametrize(
    'inner', [dict(batch_size=3), dict(absent_share=0.5), dict(residual_share=0.5), dict(seed=4)], ids=str)
def test_scenes_may_name_what_the_training_names(monkeypatch, inner):
    monkeypatch.setattr(joint, 'SceneBatches', lambda store, sound_types, **kw: kw)
    own = dict(variant='joint', batch_size=16, seed=0, absent_share=.15, residual_share=.25, scenes=inner)
    assert joint.make_scenes(None, None, **own) == {
        k: own[k] for k in ('batch_size', 'seed', 'absent_share', 'residual_share')}
