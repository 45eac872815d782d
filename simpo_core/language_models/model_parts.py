"""The parts of a model in Hugging Face's format: the language model within adapters and beside eyes, and its layers."""

from typing import Any

from torch.nn import ModuleList


def causal_model(model: Any) -> Any:
    """The model that has the output layer: what adapters were put on, if they were."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def decoder(model: Any) -> Any:
    """What reads tokens and writes hidden states; of a model that sees pictures too, the language model alone."""
    causal = causal_model(model)
    return causal.get_decoder() if hasattr(causal, "get_decoder") else causal.base_model


def layers(model: Any) -> Any:
    """The decoder's layers, in order; an empty list where they are not a list of as many as the settings say."""
    count = getattr(causal_model(model).config.get_text_config(), "num_hidden_layers", None)
    lists = (x for x in decoder(model).modules() if isinstance(x, ModuleList) and len(x) == count)
    return next(lists, ModuleList())


def outside_the_language_model(model: Any) -> list[str]:
    """Names of weights that text alone does not reach, such as those of a vision tower."""
    causal = causal_model(model)
    output = causal.get_output_embeddings()
    if output is None:  # then it isn't known which they are
        return []
    parts = (decoder(model), causal.get_input_embeddings(), output)
    reached = {id(x) for part in parts for x in part.parameters()}
    return [name for name, x in model.named_parameters() if id(x) not in reached]
