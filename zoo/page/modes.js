// The ways to compare, in the order of the key that goes through them.

export const MODES = [["slider", "Slider"], ["grid", "Side by side"], ["one", "One"],
  ["difference", "Difference"]];
