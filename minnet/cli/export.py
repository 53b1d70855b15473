"""`minnet export`: a model as ONNX."""

from __future__ import annotations

from minnet.cli import options
from minnet.errors import plural


@options.command(
    "export",
    "model",
    options.option("-o --output", options.FILE, "The ONNX model.", default="model.onnx"),
    "quiet",
)
def command(request: options.Request, output: str) -> None:
    """A model as ONNX: from raw columns to labels, without minnet.

    Each column is an input of its own name; the outputs are label, probabilities and spread.

    \b
    Examples:
      minnet export
      minnet export --model penguins.json -o penguins.onnx
    """
    from minnet import onnx

    request.check_output(output, "", ".onnx", check=onnx.refuse_to_overwrite)
    proto = onnx.export(request.load_model(), output)
    outputs = ", ".join(one.name for one in proto.graph.output)
    columns = plural(len(proto.graph.input), "column")
    request.say(f"wrote {output}: from {columns} to {outputs}")
