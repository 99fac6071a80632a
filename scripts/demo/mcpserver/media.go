package mcpserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// GreetingURI is the resource that the tool documents links to.
const GreetingURI = "demo://greeting"

// What the tools picture and sound return.
const (
	// pictureSide is in pixels.
	pictureSide = 96
	// sampleRate is in samples a second; a sample is one byte.
	sampleRate = 8000
	toneHertz  = 440
	// toneSamples is half a second.
	toneSamples = sampleRate / 2
)

// addMediaTools adds a tool for each kind of content that is no text.
func addMediaTools(server *mcp.Server) {
	readOnly := &mcp.ToolAnnotations{ReadOnlyHint: true}
	mcp.AddTool(server, &mcp.Tool{Name: "picture", Description: "Returns a picture (PNG).", Annotations: readOnly}, picture)
	mcp.AddTool(server, &mcp.Tool{Name: "sound", Description: "Returns half a second of a tone (WAV).", Annotations: readOnly}, sound)
	mcp.AddTool(server, &mcp.Tool{Name: "documents", Description: "Returns a text, a binary file and a link as resources.", Annotations: readOnly}, documents)
	mcp.AddTool(server, &mcp.Tool{Name: "fail", Description: "Fails with a message of its own.", Annotations: readOnly}, fail)
}

func picture(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	data, err := gradient()
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{Content: []mcp.Content{
		&mcp.TextContent{Text: "A gradient."},
		&mcp.ImageContent{Data: data, MIMEType: "image/png"},
	}}, nil, nil
}

// gradient is a PNG file.
func gradient() ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, pictureSide, pictureSide))
	for y := range pictureSide {
		for x := range pictureSide {
			img.Set(x, y, color.RGBA{R: uint8(x * 255 / pictureSide), G: 110, B: uint8(y * 255 / pictureSide), A: 255})
		}
	}
	var file bytes.Buffer
	err := png.Encode(&file, img)
	return file.Bytes(), err
}

func sound(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.AudioContent{Data: tone(), MIMEType: "audio/wav"}}}, nil, nil
}

// tone is a WAV file: the RIFF header, then unsigned samples of 8 bits, one channel.
func tone() []byte {
	file := []byte("RIFF")
	file = binary.LittleEndian.AppendUint32(file, 36+toneSamples)
	file = append(file, "WAVEfmt "...)
	file = binary.LittleEndian.AppendUint32(file, 16)
	file = binary.LittleEndian.AppendUint16(file, 1) // PCM
	file = binary.LittleEndian.AppendUint16(file, 1) // channels
	file = binary.LittleEndian.AppendUint32(file, sampleRate)
	file = binary.LittleEndian.AppendUint32(file, sampleRate) // bytes a second
	file = binary.LittleEndian.AppendUint16(file, 1)          // bytes of a sample of all channels
	file = binary.LittleEndian.AppendUint16(file, 8)          // bits of a sample
	file = append(file, "data"...)
	file = binary.LittleEndian.AppendUint32(file, toneSamples)
	for i := range toneSamples {
		file = append(file, uint8(128+60*math.Sin(2*math.Pi*toneHertz*float64(i)/sampleRate)))
	}
	return file
}

func documents(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{
		&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "demo://note", MIMEType: "text/markdown", Text: "# Note\n\nAn embedded text."}},
		&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "demo://tone.wav", MIMEType: "audio/wav", Blob: tone()}},
		&mcp.ResourceLink{URI: GreetingURI, Name: "greeting", MIMEType: "text/plain", Description: "A greeting."},
	}}, nil, nil
}

func fail(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	return nil, nil, errors.New("out of paper: fill tray 2")
}
