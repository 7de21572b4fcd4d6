"""What a detector or a classifier says of a picture, for people.

resizing   a picture to the size of a network, three ways, and boxes back from it
decoding   the outputs of heads to boxes and scores
nms        boxes that mean the same object, left out
detector   all of it together: picture to objects
classifier a picture to classes
drawing    boxes into a picture
"""

from zoo.detect.classifier import Classifier, Guess
from zoo.detect.detector import DetectedObject, Detector
from zoo.detect.drawing import draw
from zoo.detect.names import read_names

__all__ = ["Classifier", "DetectedObject", "Detector", "Guess", "draw", "read_names"]
