"What a merge must pass begins with what a newcomer types, on a machine that has nothing else."
import re
from pathlib import Path

root = Path(__file__).parents[1]
steps = re.findall(r'(?m)^step "([^"]+)" (.+)$', (root/'.ci'/'run').read_text(encoding='utf-8'))

def test_the_two_commands_come_first_and_word_for_word():
    text = (root/'.ci'/'run').read_text(encoding='utf-8')
    assert [what for _, what in steps[:3]]==['first_test', 'smoke', 'smoke_without_avx512']
    assert re.search(r'first_test\(\) \{ make test 2>&1', text)
    assert re.search(r'\nsmoke\(\) \{.*\n  make repro PARAMS=params/smoke.yaml 2>&1', text)
    assert 'ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 make repro PARAMS=params/smoke.yaml' in text

def test_nothing_more_is_installed_before_them():
    text = (root/'.ci'/'run').read_text(encoding='utf-8')
    first,rest = text[:text.index('step "the extra')],text[text.index('step "the extra'):]
    calls = [l for l in first.splitlines() if l and not l.startswith((' ', '#', '}')) and '()' not in l]
    assert not any('browser' in l or 'audioset' in l or 'chromium' in l for l in calls)
    assert rest.index('make -s audioset') < rest.index('tests_of_extras') and rest.index(
        'browser_package') < rest.index('tests_of_extras')

def test_the_whole_run_and_the_drawn_inputs_come_weekly():
    weekly = (root/'.github'/'workflows'/'repro.yaml').read_text(encoding='utf-8')
    assert (
        'schedule:' in weekly and '- run: make repro\n' in weekly
        and re.search(r'make fuzz SEED=.+ N=\d+', weekly))
