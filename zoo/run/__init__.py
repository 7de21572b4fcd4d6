"""Running a network on pictures: picture to picture, and which file becomes which."""
