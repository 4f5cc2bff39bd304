"""What model servers count, read in their own words."""

import pytest

from underpass.agent.counters import Counters, read

VLLM = """# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="tiny"} 4096.0
vllm:generation_tokens_total{engine="1",model_name="tiny"} 904.0
vllm:prompt_tokens_total{engine="0",model_name="tiny"} 120.0
vllm:num_requests_running{engine="0",model_name="tiny"} 3.0
vllm:num_requests_waiting{engine="0",model_name="tiny"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.25
vllm:e2e_request_latency_seconds_bucket{le="+Inf",model_name="tiny"} 7.0
"""
LLAMA_CPP = """# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 16
llamacpp:prompt_tokens_total 20
llamacpp:requests_processing 1
llamacpp:requests_deferred 2
"""
SGLANG = """sglang:generation_tokens_total{model_name="m"} 7.0
sglang:prompt_tokens_total{model_name="m"} 5.0
sglang:num_running_reqs{model_name="m"} 1.0
sglang:num_queue_reqs{model_name="m"} 0.0
sglang:token_usage{model_name="m"} 0.5
"""
TGI = """tgi_request_generated_tokens_sum 12
tgi_request_input_length_sum 30
tgi_batch_current_size 1
tgi_queue_size 0
"""


@pytest.mark.parametrize(
    ("kind", "text", "counters"),
    [
        ("vllm", VLLM, Counters(5000, 120, 3, 0, 25)),
        ("llama.cpp", LLAMA_CPP, Counters(16, 20, 1, 2)),
        ("sglang", SGLANG, Counters(7, 5, 1, 0, 50)),
        ("tgi", TGI, Counters(12, 30, 1, 0)),
    ],
)
def test_each_server_s_words(kind: str, text: str, counters: Counters) -> None:
    """Of several engines the sum, of caches the fullest."""
    assert read(kind, text) == counters


def test_what_is_not_there_is_none() -> None:
    """Another server, an error page, numbers that are none."""
    assert read("ollama", VLLM) is None
    assert read("vllm", "<html>not found</html>") is None
    assert read("vllm", "vllm:num_requests_running NaN\nvllm:prompt_tokens_total x\n") is None
